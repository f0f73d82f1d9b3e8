"""x"""


def drawing(d):
    return ""


def markdown(d):
    return ""
