"""What was scored. ``port`` is the contract; one file per grade source, wired in ``app.main``.

A source reads over the network and yields plain rows; ``store`` keeps them with every version.
"""
