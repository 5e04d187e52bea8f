include $(sort $(wildcard $(BR2_EXTERNAL_RESDUMP_PATH)/package/*/*.mk))
