from stemma.errors import one_line

with one_line():
    from stemma.bundle.command import main

    main()
