"""What the commands do; `app.cli` says what they are called."""
