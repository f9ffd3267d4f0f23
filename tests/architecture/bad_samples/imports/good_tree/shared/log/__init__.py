import shared.db
