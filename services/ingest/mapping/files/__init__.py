"""Files as items of the routes: rows are read, columns found by name, cells understood, lines gathered."""
