"""Offer tables as datasets for training and evaluation: read, repaired, encoded once and kept."""

from consumers.datasets.account import Account, PairCount, Progress
from consumers.datasets.load import load_datasets
from consumers.datasets.needs import Needs
from consumers.datasets.problems import CacheUnusable, DatasetUnusable

__all__ = ["Account", "CacheUnusable", "DatasetUnusable", "Needs", "PairCount", "Progress", "load_datasets"]
