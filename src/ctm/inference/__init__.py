"""Using a trained machine: stopping when sure, pools of samples of different ages, running answers."""
