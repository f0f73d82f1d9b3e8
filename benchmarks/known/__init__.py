"""The matcher process with many known offers: how fast it decides, and where its time goes."""
