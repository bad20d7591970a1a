"""The wire floor: real SSH to small servers in this process, with real shells behind them."""
