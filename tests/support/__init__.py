"""What several test modules share: small networks and pictures, oracles, child processes."""
