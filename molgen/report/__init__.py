"""Pages and plots for people: the single-file HTML report and the evaluation plots."""

from molgen.report.html import ReportEntry, write_report

__all__ = ["ReportEntry", "write_report"]
