import aiokafka
