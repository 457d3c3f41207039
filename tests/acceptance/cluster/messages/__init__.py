"""What each release put into the broker; ``__main__`` adds what the present one does."""
