"""What people did with answers, and what follows: a query moved at once, an order learned, two orders compared."""
