"""Campaigns with a hold-out, coupons redeemed exactly once, points that prove themselves."""
