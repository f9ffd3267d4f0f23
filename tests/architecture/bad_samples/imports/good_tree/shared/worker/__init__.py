import shared.db
import shared.kafka
