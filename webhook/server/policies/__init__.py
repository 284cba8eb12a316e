"""Which policies are in force: where they come from, how a change is noticed, tried out and put in force."""
