import services.ingest.handlers.files
