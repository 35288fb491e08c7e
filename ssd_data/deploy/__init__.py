"""What carries a trained net to where it must run: what all profiles (``profiles/``) share."""
