"""The commands of `offermatch`, by what they are about. They import what they need when they are called."""
