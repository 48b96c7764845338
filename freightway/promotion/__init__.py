"""One promotion as a state machine: plan, scope, progress."""
