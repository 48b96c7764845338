"""What the long-lived entities remember, the commands they take, and the facts they tell each other."""
