import regulars.banner
