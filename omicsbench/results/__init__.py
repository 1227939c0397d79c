"""Statistics of records: tables of numbers without a page or a colour."""
