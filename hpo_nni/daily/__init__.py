"""A daily project: what its file says, its days, and by what a challenger replaces the champion."""
