"""Language models behind one small interface: they are asked in words and pictures, and answer in a form."""
