"""Published reviews as data: a TOML file with the numbers, a CSV file with the table of studies."""
