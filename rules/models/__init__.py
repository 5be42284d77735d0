"""Models of what a building uses: fitted on a base period, asked about another one."""
