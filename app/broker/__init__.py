"""Finding a broker, or starting a real one from packages alone (contract 9, design "A broker on any machine")."""
