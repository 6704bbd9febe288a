/** The device's words, which often take several lines. */
export const oneLine = (message: string): string => message.trim().replaceAll(/\s*\n\s*/g, ' ');
