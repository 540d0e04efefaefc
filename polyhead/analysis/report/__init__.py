"""What the cells of a report show, from the files of a run alone: no model and no data is opened, nor torch imported.

Each function takes a :class:`polyhead.run.Run` and returns something that a notebook displays: a text in Markdown, a
DataFrame, or an image.
"""

from polyhead.analysis.report.conclusion import biases, conclusion
from polyhead.analysis.report.findings import error_plots, errors, mistake_images, mistakes, verdict
from polyhead.analysis.report.methodology import network, reproducibility, splits, training
from polyhead.analysis.report.problem import data_card, links, problem
from polyhead.analysis.report.results import classes, comparison, curves, effects, other_scores, plots, scores, study

__all__ = [
    "biases",
    "classes",
    "comparison",
    "conclusion",
    "curves",
    "data_card",
    "effects",
    "error_plots",
    "errors",
    "links",
    "mistake_images",
    "mistakes",
    "network",
    "other_scores",
    "plots",
    "problem",
    "reproducibility",
    "scores",
    "splits",
    "study",
    "training",
    "verdict",
]
