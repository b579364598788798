"""The only package that knows NNI: its classes, its REST interface, its channels to trials."""
