"""The rules of campaign: plans and their states, audiences and draws, coupons, points, results. Pure."""
