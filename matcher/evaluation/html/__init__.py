"""The report of an evaluation as one HTML file that needs nothing else."""

from matcher.evaluation.html.page import report_page

__all__ = ["report_page"]
