"""Look at a file and write conf/data/NAME.yaml, for a person to correct.

    stemma describe FILE --target COLUMN --name NAME

Read in this order:

    write.py      all of it, from a file to conf/data/NAME.yaml
    dialect.py    how a text file is written: separator, encoding, decimal mark
    survey.py     what each column holds, in one pass over the file
    roles.py      which role a column has, and what the target is
    meant.py      what texts may be meant as, and the settings that read them so
    page.py       all of it as YAML, and as a table for the terminal

Columns are judged by what they hold; names count only where they end in "id" or the like.
"""
