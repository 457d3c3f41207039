"""What every HTTP answer shares: problem documents, correlation ids, who is asking."""
