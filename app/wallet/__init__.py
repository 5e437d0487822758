"""How a holder takes a badge into a wallet: OpenID for Verifiable Credential Issuance 1.0 (final).

``metadata`` says what an issuer offers, ``offers`` keeps what is on its way, ``holder`` checks that a
wallet holds the key it names. Each of our issuers is a credential issuer and its own authorization
server; wallets need no registration. Secrets are single use, kept as hashes, and end soon.
"""
