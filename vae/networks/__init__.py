"""Networks and linear methods of lead reconstruction, and their losses."""
