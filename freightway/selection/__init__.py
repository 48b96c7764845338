"""Pure rules that choose artifacts and Freight."""
