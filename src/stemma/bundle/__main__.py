from stemma.bundle import main

main()
