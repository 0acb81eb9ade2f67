"""The pictures in the documents. `make pictures` makes them anew, from the program as it is."""
