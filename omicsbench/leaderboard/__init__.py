"""Tables, reports and sites: pure functions of records."""
