"""What begins a case by a person's word, and what is seen of it: before, meanwhile and afterwards."""
