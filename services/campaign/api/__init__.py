"""The HTTP routes of campaign."""

from services.campaign.api.campaigns import router as campaigns
from services.campaign.api.members import router as members
from services.campaign.api.redemptions import router as redemptions

ROUTERS = (campaigns, redemptions, members)
