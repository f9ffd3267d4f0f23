def rows() -> None:
    import sqlalchemy  # inside a function it is found as well
