"""How good a pose looks, judged without the answer."""
