"""One file a group of addresses. A route reads what was asked, asks `collection/`, and writes down what it said."""
