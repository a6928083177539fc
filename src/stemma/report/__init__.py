"""What was found, for people: Markdown, HTML, SVG.

data.py                  the table and its columns
evaluation.py            how good the network is; document.py writes it as Markdown and as HTML
curves.py, charts.py     points to plot, and their pictures
"""
