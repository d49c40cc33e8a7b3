"""What several tests share: values, servers, readers of archives, and ways to wait."""
