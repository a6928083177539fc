"""What was found, for people: Markdown, HTML, SVG.

data.py                  the table and its columns
evaluation.py            how good the network is; document.py writes it as Markdown and as HTML
plots.py                 points to plot (curves.py), and their pictures (charts.py)
pictures.py              the style of every picture, and how one is drawn
"""
