"""The smallest network that loses less than a budget, found from one version and proved.

- `search`  what is tried, and the story: each is made, judged on the validation rows, and the smallest once on the test
- `clone`   where they are made, by the version's own pipeline
- `page`    the search as a table and as HTML
"""
