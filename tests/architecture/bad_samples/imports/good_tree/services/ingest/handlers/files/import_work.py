import services.ingest.handlers.accepting
