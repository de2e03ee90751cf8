"""What people read: text from outside made fit for screens, pages and tables, numbers, and tables that cut neither."""
