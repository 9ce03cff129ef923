"""The benchmark's report: report.json for machines, report.md for a repository, report.html to look at."""
